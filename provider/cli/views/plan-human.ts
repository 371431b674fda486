import { pathText, shortValue, whence } from '../../model/change-words.ts';
import { cut, terminalLine } from './escape.ts';
import {
  actionSigns,
  actionVerbs,
  countsText,
  type IsolationNews,
  type ObjectChange,
  type PlanReport,
} from './report.ts';
import type { Style } from './style.ts';

/** A plan for people: what matters most first. `details`: every object with all its reasons, and what each loss means. */
export function humanPlan(
  report: PlanReport,
  style: Style,
  { details }: { readonly details: boolean },
): string {
  const { isolation, disruptions, removals, objects } = report;
  const lines = [
    style.bold(`Fleet ${terminalLine(report.fleet)}: ${countsText(report)}.`),
    ...section(style.red('Isolation lost'), isolation.losses, (one) => newsLines(one, details)),
    ...section(style.red('Host resources gained by guests'), isolation.gains, (one) =>
      newsLines(one, details),
    ),
    ...section(style.green('Isolation regained'), isolation.regained, (one) => newsLines(one, false)),
    ...section(style.green('Host resources given up by guests'), isolation.dropped, (one) =>
      newsLines(one, false),
    ),
    ...section(style.yellow('Disrupted'), disruptions, (one) => [disruptionLine(one)]),
    ...section(style.yellow('Destroyed'), removals, (one) => [terminalLine(one.object)]),
    ...section('Changes', objects, (one) => objectLines(one, style, details)),
  ];
  return `${lines.join('\n')}\n`;
}

function section<One>(title: string, all: readonly One[], lines: (one: One) => readonly string[]): string[] {
  if (all.length === 0) return [];
  return ['', `${title}:`, ...all.flatMap((one) => lines(one).map((line) => `  ${line}`))];
}

function newsLines(news: IsolationNews, details: boolean): readonly string[] {
  const first = terminalLine(`${news.object}: ${news.what} (${whence(news)})`);
  return details ? [first, `    ${terminalLine(news.meaning)}`] : [first];
}

function disruptionLine({ object, action, disruption, reasons }: ObjectChange): string {
  const why = reasons.filter((reason) => reason.disruption === disruption).map(({ path }) => pathText(path));
  const what = disruption === 'data-loss' ? 'loses data' : actionVerbs[action];
  return terminalLine(`${object} ${what}: ${cut(why.join(', '), 200)}`);
}

const shownReasons = 3;

function objectLines(
  { object, action, reasons }: ObjectChange,
  style: Style,
  details: boolean,
): readonly string[] {
  const shown = details ? reasons : reasons.slice(0, shownReasons);
  const left = reasons.length - shown.length;
  return [
    `${style.bold(actionSigns[action])} ${terminalLine(object)} ${actionVerbs[action]}`,
    ...shown.map(({ path, before, after, disruption }) => {
      const [was, will] = [before, after].map((value) => shortValue(value, details ? 2000 : 160));
      const cost = disruption === 'none' ? '' : ` (${disruption})`;
      return `    ${terminalLine(`${pathText(path)}: ${was} -> ${will}`)}${style.faint(cost)}`;
    }),
    ...(left > 0 ? [`    ${style.faint(`and ${left} more`)}`] : []),
  ];
}
