import { describe, expect, it } from 'vitest';
import { nearestName } from '../../provider/model/nearest.ts';

const fields = ['memoryMib', 'vcpus', 'machine', 'kernel', 'commandLine', 'limits', 'hostKey', 'host'];

describe('the name that was meant', () => {
  it.each([
    ['memory_mib', 'memoryMib'],
    ['memory-mib', 'memoryMib'],
    ['MEMORYMIB', 'memoryMib'],
    ['memory', 'memoryMib'],
    ['vcpu', 'vcpus'],
    ['vcpsu', 'vcpus'],
    ['kernal', 'kernel'],
    ['comandline', 'commandLine'],
    ['limit', 'limits'],
    ['hsot', 'host'],
    ['host', 'host'],
    ['host_key', 'hostKey'],
  ])('%s: %s', (given, meant) => {
    expect(nearestName(given, fields)).toBe(meant);
  });

  it.each(['', 'x', 'disk', 'banana', 'v', 'k'.repeat(5000)])('%j: none', (given) => {
    expect(nearestName(given, fields)).toBeUndefined();
  });
});
