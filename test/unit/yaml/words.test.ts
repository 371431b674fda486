import { describe, expect, it } from 'vitest';
import { inYamlWords } from '../../../provider/spec/yaml/words.ts';

describe('texts of the specification in the words of YAML', () => {
  it.each([
    ['is required (or known_hosts_file)', 'is required (or knownHostsFile)'],
    ['is required (or private_key, or agent = true)', 'is required (or privateKey, or agent: true)'],
    ['exactly one of file and host_file is required', 'exactly one of file and hostFile is required'],
    ['Leave isolation.host_dev_mounts out', 'Leave isolation.hostDevMounts out'],
    ['Set accelerator = "kvm"', 'Set accelerator: "kvm"'],
    ['`never` or `on_crash`', '`never` or `on_crash`'],
  ])('%s', (text, changed) => {
    expect(inYamlWords(text)).toBe(changed);
  });

  it.each([
    'has no field "memory_mib"',
    'is "a\\" memory_mib"',
    'the file /srv/host_key/private_key is not there',
    'SELECT_memory_mib x = 1',
  ])('what somebody wrote stays: %s', (text) => {
    expect(inYamlWords(text)).toBe(text);
  });
});
