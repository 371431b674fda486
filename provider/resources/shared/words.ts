/** Text from a host, fit to stand in a message or in state: printable characters alone, and not too many. */
export function plainWords(text: string, limit = 200): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?');
  return plain.length > limit ? `${plain.slice(0, limit)}...` : plain;
}

/** `a`, `a (and 1 more)`: the first of many, and how many more there are. */
export function firstOf(first: string, count: number): string {
  return count > 1 ? `${first} (and ${count - 1} more)` : first;
}
