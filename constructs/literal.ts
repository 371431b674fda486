/**
 * Text that Terraform takes as it is: `${…}` and `%{…}` in it begin no expression. So in everything inside too.
 * @throws where cdktf would put a value of the stack into it
 */
export function literally<Value>(value: Value): Value {
  return literal(value) as Value;
}

/** The same of text in which cdktf has put values of the stack, which stay. */
export function literallyAround(text: string): string {
  return text.replaceAll(/([$%])(?=\{(?!TfToken\[))/g, '$1$1');
}

function literal(value: unknown): unknown {
  if (typeof value === 'string' && value.includes('TfToken['))
    throw new Error('text with "TfToken[" in it cannot go through cdktf, whose own mark this is');
  if (typeof value === 'string') return value.replaceAll(/([$%])(?=\{)/g, '$1$1');
  if (Array.isArray(value)) return value.map(literal);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, literal(one)]));
}
