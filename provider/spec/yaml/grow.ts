import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type Pair } from 'yaml';
import { type Diagnostic, failure, type Result, success } from '../../model/diagnostic.ts';
import { printableLine, quoted } from '../../model/printable.ts';
import { maxDepth, maxProblems, maxValues } from './limits.ts';
import { syntaxProblem } from './problems.ts';
import type { Entry, MapTree, ScalarTree, SourceFile, Tree } from './tree.ts';

/** What an anchor (`&name`) names; `undefined` while that is still being read. */
interface Anchored {
  readonly tree: Tree | undefined;
  /** Values in it, with all aliases in it replaced. */
  readonly size: number;
  /** How deep they are nested. */
  readonly height: number;
}

/**
 * Turns the library's document into our tree. An alias becomes the very tree it stands for, so it costs nothing; how large the whole would be
 * with every alias replaced is counted, as whatever walks the tree will walk that.
 */
export function growTree(file: SourceFile, document: Document.Parsed): Result<Tree | undefined> {
  if (document.contents === null) return success(undefined);
  const grower = new Grower(file);
  const tree = grower.grow(document.contents);
  if (grower.problems.length > 0) return failure(...grower.problems);
  return success(tree.kind === 'scalar' && tree.value === null ? undefined : tree);
}

class Grower {
  readonly problems: Diagnostic[] = [];
  readonly #file: SourceFile;
  readonly #anchors = new Map<string, Anchored>();
  #size = 0;
  #depth = 0;
  /** The greatest depth since it was last set back. */
  #deepest = 0;
  #isFull = false;

  constructor(file: SourceFile) {
    this.#file = file;
  }

  grow(node: Node | null): Tree {
    if (isAlias(node)) return this.#alias(node.source, offsetOf(node));
    const anchor = node !== null && 'anchor' in node ? node.anchor : undefined;
    if (anchor !== undefined) this.#anchors.set(anchor, { tree: undefined, size: 0, height: 0 });
    const [sizeBefore, deepestBefore] = [this.#size, this.#deepest];
    this.#count(1, offsetOf(node));
    this.#deepest = ++this.#depth;
    const tree = this.#content(node);
    const height = this.#deepest - --this.#depth;
    this.#deepest = Math.max(this.#deepest, deepestBefore);
    if (anchor !== undefined) this.#anchors.set(anchor, { tree, size: this.#size - sizeBefore, height });
    return tree;
  }

  #content(node: Node | null): Tree {
    const file = this.#file;
    const offset = offsetOf(node);
    if (node !== null) this.#refuseTag(node, offset);
    if (isMap<Node, Node | null>(node)) return this.#map(node.items, offset);
    if (isSeq<Node>(node)) {
      const items: Tree[] = [];
      for (const item of node.items) {
        if (this.#isFull) break;
        items.push(this.grow(item));
      }
      return { kind: 'list', items, file, offset };
    }
    return { kind: 'scalar', value: isScalar(node) ? plainValue(node.value) : null, file, offset };
  }

  #map(pairs: readonly Pair<Node, Node | null>[], offset: number): MapTree {
    const file = this.#file;
    const entries = new Map<string, Entry>();
    for (const { key, value } of pairs) {
      if (this.#isFull) break;
      const at = offsetOf(key);
      const name = isScalar(key) ? String(plainValue(key.value) ?? '') : undefined;
      if (name === undefined) {
        this.#blame(at, 'has a key here that is no name', 'Write a name before the colon.');
        continue;
      }
      // JavaScript's own; parsers pass it over, so nothing would be said of it.
      if (name === '__proto__') {
        this.#blame(at, 'has the key "__proto__" here, which nothing in a definition has');
        continue;
      }
      if (name === '<<') {
        this.#blame(
          at,
          'has a merge key (<<) here, which YAML 1.2 does not know',
          'Use a profile, or defaults.',
        );
        continue;
      }
      const earlier = entries.get(name);
      if (earlier !== undefined) {
        const { line } = file.position(earlier.key.offset);
        this.#blame(
          at,
          `has the key ${quoted(name)} twice in one object: in line ${line} too`,
          'Remove one of them.',
        );
        continue;
      }
      entries.set(name, { key: { file, offset: at }, value: this.grow(value ?? null) });
    }
    return { kind: 'map', entries, file, offset };
  }

  #alias(name: string, offset: number): Tree {
    const anchored = this.#anchors.get(name);
    if (anchored?.tree !== undefined) {
      this.#count(anchored.size, offset);
      this.#deepest = Math.max(this.#deepest, this.#depth + anchored.height);
      if (this.#deepest <= maxDepth) return anchored.tree;
      this.#isFull = true;
      const what = `is nested more than ${maxDepth} deep here, by what *${printableLine(name.slice(0, 60))} stands for`;
      this.#blame(offset, what);
      return this.#nothing(offset);
    }
    const shown = printableLine(name.slice(0, 60));
    const why = anchored === undefined ? `with no &${shown} before it` : `inside of &${shown} itself`;
    this.#blame(offset, `has *${shown} here, ${why}`, 'Text that begins with * stands in quotes.');
    return this.#nothing(offset);
  }

  #nothing(offset: number): ScalarTree {
    return { kind: 'scalar', value: null, file: this.#file, offset };
  }

  #refuseTag(node: Node, offset: number): void {
    const tag = node.tag;
    if (tag === undefined || /^tag:yaml\.org,2002:(str|int|float|bool|null|map|seq)$/.test(tag)) return;
    this.#blame(offset, `has a tag here that definitions do not know: ${quoted(tag)}`, 'Leave it out.');
  }

  #count(values: number, offset: number): void {
    this.#size += values;
    if (this.#size <= maxValues || this.#isFull) return;
    this.#isFull = true;
    this.#blame(
      offset,
      `is too large here: more than ${maxValues} values with every alias (*name) replaced by what it stands for`,
      'Use profiles in place of aliases.',
    );
  }

  #blame(offset: number, what: string, hint?: string): void {
    this.problems.push(syntaxProblem(this.#file, offset, what, hint));
    if (this.problems.length >= maxProblems) this.#isFull = true;
  }
}

function offsetOf(node: Node | null): number {
  return node?.range?.[0] ?? 0;
}

/** Of the core schema there is nothing else. */
function plainValue(value: unknown): ScalarTree['value'] {
  const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isPlain ? value : null;
}
