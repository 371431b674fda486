/**
 * The known name that was most likely meant, for "did you mean": the same but for case, dashes and underscores (`memory_mib` for `memoryMib`), one
 * that begins with it (`memory`), or one that differs in few letters. `undefined` where none is near.
 */
export function nearestName(given: string, known: Iterable<string>): string | undefined {
  if (given === '' || given.length > 64) return undefined;
  const bare = bareName(given);
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const name of known) {
    const other = bareName(name);
    const distance =
      other === bare
        ? 0
        : bare.length >= 3 && other.startsWith(bare)
          ? 0.5
          : editDistance(bare, other, Math.max(1, Math.floor(bare.length / 3)));
    if (distance !== undefined && (best === undefined || distance < best.distance)) best = { name, distance };
  }
  return best?.name;
}

function bareName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_ ]/g, '');
}

/** Letters to insert, drop, change or swap with their neighbour; `undefined` where it takes more than `most`. */
function editDistance(one: string, other: string, most: number): number | undefined {
  if (Math.abs(one.length - other.length) > most) return undefined;
  let before: number[] = [];
  let row = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let line = 1; line <= one.length; line++) {
    const next = [line];
    for (let column = 1; column <= other.length; column++) {
      const same = one[line - 1] === other[column - 1];
      const swapped = one[line - 1] === other[column - 2] && one[line - 2] === other[column - 1];
      next[column] = Math.min(
        (row[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (row[column - 1] ?? 0) + (same ? 0 : 1),
        ...(swapped && line > 1 && column > 1 ? [(before[column - 2] ?? 0) + 1] : []),
      );
    }
    if (Math.min(...next) > most) return undefined;
    [before, row] = [row, next];
  }
  const distance = row[other.length] ?? 0;
  return distance > most ? undefined : distance;
}
