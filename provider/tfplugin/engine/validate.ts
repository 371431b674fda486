import { type AttributePath, errorAt, type PluginDiagnostic } from '../diagnostics.ts';
import { type Attribute, type Attributes, isNested, type NestedAttribute, type Schema } from '../schema.ts';
import { isList, isObject, isWhollyKnown, type ObjectValue, type TerraformValue } from '../values.ts';

/** What the schema alone can say about a configuration. */
export function validateBySchema(schema: Schema, config: ObjectValue): PluginDiagnostic[] {
  const diagnostics = validateAttributes(schema.attributes, config, []);
  if (schema.deprecated !== undefined) {
    diagnostics.push({ severity: 'warning', summary: 'Deprecated', detail: schema.deprecated });
  }
  return diagnostics;
}

function validateAttributes(
  attributes: Attributes,
  config: ObjectValue,
  path: AttributePath,
): PluginDiagnostic[] {
  return Object.entries(attributes).flatMap(([name, one]) =>
    validateAttribute(one, config[name] ?? null, [...path, name]),
  );
}

function validateAttribute(
  attribute: Attribute,
  value: TerraformValue,
  path: AttributePath,
): PluginDiagnostic[] {
  if (value === null) {
    return attribute.required === true
      ? [errorAt(path, 'Missing value', 'This attribute is required; null is not a value for it.')]
      : [];
  }
  if (attribute.required !== true && attribute.optional !== true) {
    return [errorAt(path, 'Value for a read-only attribute', 'The provider decides it; take it out.')];
  }
  const diagnostics: PluginDiagnostic[] = [];
  if (attribute.deprecated !== undefined) {
    diagnostics.push({
      severity: 'warning',
      summary: 'Deprecated attribute',
      detail: attribute.deprecated,
      path,
    });
  }
  if (attribute.validate !== undefined && isWhollyKnown(value)) {
    for (const message of attribute.validate(value)) {
      diagnostics.push(typeof message === 'string' ? errorAt(path, 'Invalid value', message) : message);
    }
  }
  return isNested(attribute) ? [...diagnostics, ...validateNested(attribute, value, path)] : diagnostics;
}

function validateNested(
  attribute: NestedAttribute,
  value: TerraformValue,
  path: AttributePath,
): PluginDiagnostic[] {
  if (isList(value)) {
    return value.flatMap((item, index) => validateItem(attribute, item, [...path, index]));
  }
  if (attribute.nesting === 'map' && isObject(value)) {
    return Object.entries(value).flatMap(([key, item]) => validateItem(attribute, item, [...path, key]));
  }
  return validateItem(attribute, value, path);
}

function validateItem(
  attribute: NestedAttribute,
  item: TerraformValue,
  path: AttributePath,
): PluginDiagnostic[] {
  return isObject(item) ? validateAttributes(attribute.attributes, item, path) : [];
}
