import { type AttributePath, type PluginDiagnostic, showPath } from '../diagnostics.ts';
import {
  type AttributePath as WirePath,
  type AttributePath_Step as WireStep,
  type Diagnostic,
  Diagnostic_Severity as Severity,
} from '../generated/tfplugin6.ts';
import type { AttributeType } from '../schema.ts';

/** Terraform points at the top-level attribute; where inside it, the detail says. */
export function toWireDiagnostic(diagnostic: PluginDiagnostic): Diagnostic {
  const path = diagnostic.path ?? [];
  const [first] = path;
  const within = path.length > 1 ? `At ${showPath(path)}.` : '';
  const detail = [within, diagnostic.detail ?? ''].filter((part) => part !== '').join(' ');
  return {
    severity: diagnostic.severity === 'error' ? Severity.ERROR : Severity.WARNING,
    summary: diagnostic.summary,
    detail,
    attribute: typeof first === 'string' ? { steps: [attributeStep(first)] } : undefined,
  };
}

export function toWireDiagnostics(diagnostics: readonly PluginDiagnostic[] | undefined): Diagnostic[] {
  return (diagnostics ?? []).map(toWireDiagnostic);
}

/**
 * A full path, each step told by the type it goes through: names of attributes, keys of maps, indexes of lists. It
 * ends where the type does: nothing can point into a set.
 */
export function toWirePath(path: AttributePath, root: AttributeType): WirePath {
  const steps: WireStep[] = [];
  let type: AttributeType | undefined = root;
  for (const step of path) {
    if (type === undefined || typeof type === 'string' || 'set' in type) break;
    if (typeof step === 'number') {
      steps.push({ selector: { $case: 'elementKeyInt', elementKeyInt: step } });
      type = 'list' in type ? type.list : 'tuple' in type ? type.tuple[step] : undefined;
    } else if ('map' in type) {
      steps.push({ selector: { $case: 'elementKeyString', elementKeyString: step } });
      type = type.map;
    } else {
      steps.push(attributeStep(step));
      type = 'object' in type ? type.object[step] : undefined;
    }
  }
  return { steps };
}

function attributeStep(name: string): WireStep {
  return { selector: { $case: 'attributeName', attributeName: name } };
}
