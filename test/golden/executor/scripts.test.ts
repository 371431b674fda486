import { expect, test } from 'vitest';
import { bootstrapCommand } from '../../../provider/executor/bootstrap.ts';
import { orderOperations } from '../../../provider/executor/order.ts';
import { defaultRoots } from '../../../provider/model/paths.ts';
import { renderReadScript, renderWriteScript } from '../../../provider/executor/script.ts';
import type { CollectiveStep, Operation, OwnStep } from '../../../provider/model/operation.ts';
import { expectRecord } from '../../../provider/model/record.ts';
import { sh, word, type ShellText } from '../../../provider/model/shell.ts';

const settings = {
  nonce: '00112233445566778899aabbccddeeff',
  roots: defaultRoots,
  holder: "fleet prod, ada's laptop, since 2026-01-01T00:00:00.000Z",
  lockWaitSeconds: 60,
  sectionLimitBytes: 16 * 1024 * 1024,
};

function operation(id: string, step: OwnStep | CollectiveStep, needs: readonly string[] = []): Operation {
  return { id, needs, step, address: { kind: 'guest', host: 'hv1', name: 'web1' } };
}

/** A body whose collective members are told apart by argument. */
function start(unit: string): CollectiveStep {
  const body: ShellText = sh`systemctl start -- "$@"
for unit in "$@"; do member_changed "$unit"; done`;
  return { kind: 'collective', name: 'start', body, argument: unit };
}

test('bootstrap', async () => {
  await expect(`${bootstrapCommand(4711).text}\n`).toMatchFileSnapshot('bootstrap.sh');
});

test('read_two_sections', async () => {
  const sections = [
    { name: 'records', body: sh`cat -- "$@"`, arguments: ['web1', "it's", '$HOME', ''] },
    { name: 'uptime', body: sh`cat /proc/uptime`, arguments: [] },
  ];
  await expect(renderReadScript(sections, settings).text).toMatchFileSnapshot('read_two_sections.sh');
});

test('write_empty', async () => {
  await expect(renderWriteScript(orderOperations([]), [], settings).text).toMatchFileSnapshot(
    'write_empty.sh',
  );
});

test('write_own_collective_uploads_needs_quotes', async () => {
  const kernel = {
    bytes: 12,
    sha256: 'a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447',
    async *open() {
      yield Buffer.from('hello world\n');
    },
  };
  const record = expectRecord('/var/lib/stockade/guests/web1', 'fleet-7', 3);
  const order = orderOperations([
    [
      operation('guest web1 on hv1: kernel', {
        kind: 'own',
        body: sh`${record}\n[ -e ${word("/srv/it's here")} ] || receive 0 /srv ${word("it's here")}`,
        uploads: [kernel],
      }),
      operation("guest web1 on hv1: start\nrm -rf '/'", start("it's; esac *"), ['guest web1 on hv1: kernel']),
      operation('guest web2 on hv1: start', start('web2'), ['guest web1 on hv1: kernel']),
      operation('guest web3 on hv1: start', start('web2'), ['guest web1 on hv1: kernel']),
    ],
  ]);
  const sections = [{ name: 'guests', body: sh`ls /run/stockade`, arguments: ['web1'] }];
  await expect(renderWriteScript(order, sections, settings).text).toMatchFileSnapshot(
    'write_own_collective_uploads_needs_quotes.sh',
  );
});
