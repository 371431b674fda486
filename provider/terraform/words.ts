/** `memoryMib` -> `memory_mib`: how a spec's names are written in Terraform. */
export function toSnake(camel: string): string {
  return camel.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
