/** A value as QEMU reads it inside `key=value,…`: a comma is written twice. */
export function qemuOptionValue(value: string): string {
  return value.replaceAll(',', ',,');
}
