import { pathText, shortValue, whence } from '../../model/change-words.ts';
import { alikeTogether } from './alike.ts';
import { cut, htmlLine, markdownLine } from './escape.ts';
import {
  actionSigns,
  actionVerbs,
  countsText,
  type IsolationNews,
  type ObjectChange,
  type PlanReport,
} from './report.ts';

/** GitHub refuses a comment of more characters (65,536); GitLab takes more. */
export const commentCharacters = 65_536;
const budget = commentCharacters - 1_536;

/**
 * A plan for a comment on a pull request: counts first, then what weakens isolation and what restarts, everything else folded. What does not
 * fit into a comment is left out, the least important first, and counted.
 */
export function markdownPlan(report: PlanReport): string {
  const out = new Bounded(budget);
  const { isolation, disruptions, removals, failures } = report;
  out.add(`### Stockade plan: fleet ${markdownLine(cut(report.fleet, 80))}`);
  out.add('');
  out.add(`**${markdownLine(countsText(report))}**`);
  out.list('🛑 Cannot be planned', failures, ({ summary, hint }) =>
    [summary, hint].map((text) => said(text ?? '', 600)).join(' '),
  );
  out.list('🔓 Isolation lost', isolation.losses, newsLine);
  out.list('🔓 Host resources gained by guests', isolation.gains, newsLine);
  out.list('🔁 Disrupted', disruptions, disruptionLine);
  out.list('🗑️ Destroyed', removals, ({ object }) => said(object, 200));
  out.list('🔒 Isolation regained', [...isolation.regained, ...isolation.dropped], newsLine);
  const warnings = alikeTogether(report.warnings);
  out.fold(`Warnings (${warnings.length})`, warnings, ({ summary }) => `- ${said(summary, 600)}`);
  out.fold(`All changes (${report.objects.length})`, report.objects, objectItem);
  return `${out.text()}\n`;
}

function said(text: string, length: number): string {
  return markdownLine(cut(text, length));
}

function newsLine(news: IsolationNews): string {
  const what = `${said(news.object, 160)}: **${said(news.what, 300)}** (${said(whence(news), 200)})`;
  return `${what}. ${said(news.meaning, 400)}`;
}

function disruptionLine({ object, action, disruption, reasons }: ObjectChange): string {
  const why = reasons.filter((reason) => reason.disruption === disruption).map(({ path }) => pathText(path));
  const what = disruption === 'data-loss' ? 'loses data' : actionVerbs[action];
  return `${said(object, 160)} **${said(what, 40)}**: ${said(why.join(', '), 300)}`;
}

function objectItem({ object, action, reasons }: ObjectChange): string {
  const rows = reasons.map(({ path, before, after, disruption }) => {
    const [was, will] = [before, after].map((value) => said(shortValue(value, 200), 220));
    return `  - ${said(pathText(path), 120)}: ${was} → ${will}${disruption === 'none' ? '' : ` (${disruption})`}`;
  });
  const sign = `<code>${htmlLine(actionSigns[action])}</code>`;
  return [`- ${sign} ${said(object, 160)} ${said(actionVerbs[action], 40)}`, ...rows].join('\n');
}

/** Lines up to a budget of characters. A fold is closed in any case. */
class Bounded {
  readonly #lines: string[] = [];
  #left: number;

  constructor(characters: number) {
    this.#left = characters;
  }

  add(line: string): boolean {
    if (line.length + 1 > this.#left) return false;
    this.#left -= line.length + 1;
    this.#lines.push(line);
    return true;
  }

  list<One>(title: string, all: readonly One[], line: (one: One) => string): void {
    if (all.length === 0 || !this.add(`\n#### ${title} (${all.length})\n`)) return;
    // what comes after needs room too: no list takes more than half of what is left
    this.#fill(all, (one) => `- ${line(one)}`, Math.floor(this.#left / 2));
  }

  fold<One>(title: string, all: readonly One[], item: (one: One) => string): void {
    const ends = ['', '</details>'];
    if (all.length === 0 || !this.add(`\n<details><summary>${htmlLine(title)}</summary>\n`)) return;
    this.#fill(all, item, this.#left - 200);
    this.#lines.push(...ends);
    this.#left -= ends.join('\n').length + 1;
  }

  #fill<One>(all: readonly One[], item: (one: One) => string, characters: number): void {
    let used = 0;
    for (const [index, one] of all.entries()) {
      const text = item(one);
      used += text.length + 1;
      if (used <= characters && this.add(text)) continue;
      this.add(`- … and ${all.length - index} more: they do not fit into a comment.`);
      return;
    }
  }

  text(): string {
    return this.#lines.join('\n');
  }
}
