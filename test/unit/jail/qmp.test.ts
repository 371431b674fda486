import { describe, expect, it } from 'vitest';
import { parseQmpReplies, qmpAnswer, qmpCall } from '../../../provider/toolstacks/qemu/qmp.ts';

const replies = (text: string) => parseQmpReplies(Buffer.from(text));

describe('QMP replies', () => {
  it('are told apart', () => {
    const said = [
      '{"QMP": {"version": {}, "capabilities": []}}',
      '{"return": {}}',
      '{"timestamp": {"seconds": 1}, "event": "RESET", "data": {"guest": true}}',
      '{"error": {"class": "CommandNotFound", "desc": "no such"}, "id": "a"}',
      '{"return": {"status": "running"}, "id": "b"}',
    ];
    const parsed = replies(`${said.join('\r\n')}\r\n`);
    expect(parsed.map((reply) => reply.kind)).toEqual(['greeting', 'return', 'event', 'error', 'return']);
    expect(qmpAnswer(parsed, 'b')).toMatchObject({ ok: true, value: { status: 'running' } });
    expect(qmpAnswer(parsed, 'a')).toMatchObject({ ok: false, diagnostics: [{ code: 'qmp-refused' }] });
    expect(qmpAnswer(parsed, 'c')).toMatchObject({ ok: false, diagnostics: [{ code: 'qmp-silent' }] });
  });

  it.each([
    ['no JSON', 'STOCKADE 7 ok\n\x1b[2J\n'],
    ['JSON that is no message', '1\nnull\n[]\n"x"\n{}\n{"error": 3}\n{"event": {}}\n'],
    ['a message cut short', '{"return": {"status": "run'],
    ['nothing but brackets', '['.repeat(60_000)],
  ])('leave out %s', (_, text) => {
    expect(replies(text)).toEqual([]);
  });

  it('are read no further than 64 KiB', () => {
    expect(replies(`${'x'.repeat(65536)}\n{"return": {}, "id": "a"}\n`)).toEqual([]);
  });

  it('may be asked for with a hexadecimal token alone', () => {
    expect(() => qmpCall('/r', '/;id', [])).toThrow();
    const text = qmpCall('/r', 'abcdef12', [
      { execute: 'a', arguments: { path: "it's" } },
      { execute: 'b' },
    ]).text;
    expect(text).toBe(
      `stockade_qmp /r abcdef12 '{"execute":"a","arguments":{"path":"it'\\''s"},"id":"abcdef12-0"}' '{"execute":"b","id":"abcdef12"}'`,
    );
  });
});
