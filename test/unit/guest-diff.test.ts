import { describe, expect, it } from 'vitest';
import type { GuestEvidence, LayerName } from '../../provider/model/evidence.ts';
import type { GuestDesired } from '../../provider/resources/guest/desired.ts';
import { guestDiff } from '../../provider/resources/guest/diff.ts';
import type { GuestFacts } from '../../provider/resources/guest/facts.ts';
import { renderGuest } from '../../provider/resources/guest/render.ts';
import { sampleEvidence, sampleGuest, sampleGuestFacts, sampleHost } from '../samples.ts';

function diff(
  desired: GuestDesired,
  facts: GuestFacts | undefined,
  evidence: GuestEvidence | undefined = sampleEvidence(desired),
) {
  const { action, disruption, reasons } = guestDiff(
    desired,
    facts,
    evidence,
    renderGuest(desired, sampleHost),
  );
  return {
    action,
    disruption,
    reasons: reasons.map(({ path, before, after }) => [path.join('.'), before, after]),
  };
}
const guest = sampleGuest();

/** Evidence in which one layer does not hold. */
function without(layer: LayerName, observed: string): GuestEvidence {
  const whole = sampleEvidence(guest);
  return {
    ...whole,
    layers: whole.layers.map((each) =>
      each.layer === layer ? { ...each, state: 'ineffective', observed } : each,
    ),
  };
}

describe('what changes for a guest', () => {
  it('creates what the host has no record of', () => {
    expect(diff(guest, undefined)).toEqual({ action: 'create', disruption: 'none', reasons: [] });
  });

  it('does nothing when all is as defined', () => {
    expect(diff(guest, sampleGuestFacts(guest))).toEqual({ action: 'noop', disruption: 'none', reasons: [] });
  });

  it('restarts for memory, and names the values; the launcher that follows from it is no drift', () => {
    expect(diff(sampleGuest({ memoryMib: 512 }), sampleGuestFacts(guest))).toEqual({
      action: 'restart',
      disruption: 'restart',
      reasons: [['memoryMib', '256', '512']],
    });
  });

  it('changes the restart policy under the running guest', () => {
    expect(diff(sampleGuest({ restartPolicy: 'on_crash' }), sampleGuestFacts(guest))).toEqual({
      action: 'update',
      disruption: 'live',
      reasons: [['restartPolicy', 'never', 'on_crash']],
    });
  });

  it('takes the same content under another path for the same file', () => {
    const digest = { kind: 'digest', sha256: 'c'.repeat(64), bytes: 1 } as const;
    expect(
      diff(sampleGuest({ kernel: digest }), sampleGuestFacts(sampleGuest({ kernel: digest }))).action,
    ).toBe('noop');
  });

  it.each<[string, Partial<GuestFacts>, string[], string]>([
    [
      'an edited launcher',
      { launcherSha256: 'f'.repeat(64) },
      ['integrity.launcher', 'was edited', 'ok'],
      'restart',
    ],
    [
      'a launcher that is gone',
      { launcherSha256: undefined },
      ['integrity.launcher', 'missing', 'ok'],
      'restart',
    ],
    [
      'a kernel that was changed',
      { changedFiles: ['b'.repeat(64)] },
      ['integrity.launcher', `starts a file that was changed or is gone: sha256:${'b'.repeat(64)}`, 'ok'],
      'restart',
    ],
    [
      'an edited drop-in',
      { dropInSha256: 'f'.repeat(64) },
      ['integrity.unit', '10-stockade.conf was edited', 'ok'],
      'restart',
    ],
    [
      'a drop-in of somebody else',
      { foreignUnitFiles: ['/etc/systemd/system/stockade-guest@web1.service.d/x.conf'] },
      ['integrity.unit', 'has an addition: "/etc/systemd/system/stockade-guest@web1.service.d/x.conf"', 'ok'],
      'restart',
    ],
    [
      'a unit that was disabled',
      { enabled: false },
      ['integrity.unit', 'does not start at boot', 'ok'],
      'restart',
    ],
    [
      'a chroot that was filled',
      { chroot: { mode: '0', uid: 0, gid: 0, entries: ['x\n'] } },
      ['integrity.chroot', 'not empty: "x\\n"', 'ok'],
      'restart',
    ],
  ])('restarts for %s', (_what, change, reason, action) => {
    expect(diff(guest, sampleGuestFacts(guest, change))).toMatchObject({ action, reasons: [reason] });
  });

  it('tells an upgrade from tampering, and restarts for both', () => {
    const old = { launcherSha256: 'e'.repeat(64), dropInSha256: 'd'.repeat(64), shareFilesSha256: undefined };
    expect(diff(guest, sampleGuestFacts(guest, { ...old, written: old }))).toEqual({
      action: 'restart',
      disruption: 'restart',
      reasons: [
        ['integrity.unit', '10-stockade.conf was made for another version of QEMU or Stockade', 'ok'],
        ['integrity.launcher', 'was made for another version of QEMU or Stockade', 'ok'],
      ],
    });
    const edited = sampleGuestFacts(guest, { ...old, written: { ...old, launcherSha256: 'c'.repeat(64) } });
    expect(diff(guest, edited).reasons.at(-1)).toEqual(['integrity.launcher', 'was edited', 'ok']);
  });

  it('sees an edited launcher also where the definition changes, but no file that only follows from it', () => {
    const bigger = sampleGuest({ memoryMib: 512 });
    const edited = sampleGuestFacts(guest, { launcherSha256: 'f'.repeat(64) });
    expect(diff(bigger, edited).reasons).toEqual([
      ['memoryMib', '256', '512'],
      ['integrity.launcher', 'was edited', 'ok'],
    ]);
    const unsaid = { launcherSha256: undefined, dropInSha256: undefined, shareFilesSha256: undefined };
    const old = sampleGuestFacts(guest, { launcherSha256: 'f'.repeat(64), written: unsaid });
    expect(diff(bigger, old).reasons).toEqual([['memoryMib', '256', '512']]);
    expect(diff(guest, old).reasons).toEqual([['integrity.launcher', 'was edited', 'ok']]);
  });

  it("puts a chroot's mode right under the running guest", () => {
    const facts = sampleGuestFacts(guest, { chroot: { mode: '777', uid: 0, gid: 0, entries: [] } });
    expect(diff(guest, facts, without('chroot', 'mode 0777'))).toEqual({
      action: 'update',
      disruption: 'live',
      reasons: [
        ['integrity.isolation', 'chroot ineffective: mode 0777', 'ok'],
        ['integrity.chroot', 'mode 0777, not 0000', 'ok'],
      ],
    });
  });

  it('restarts for a layer that does not hold, and names no other', () => {
    expect(diff(guest, sampleGuestFacts(guest), without('rlimits', 'nofile 1048576'))).toEqual({
      action: 'restart',
      disruption: 'restart',
      reasons: [['integrity.isolation', 'rlimits ineffective: nofile 1048576', 'ok']],
    });
  });

  it('starts a guest whose process is gone', () => {
    const dead = sampleEvidence(guest, { running: false, layers: [] });
    expect(diff(guest, sampleGuestFacts(guest), dead)).toEqual({
      action: 'restart',
      disruption: 'restart',
      reasons: [
        ['integrity.process', 'not running', 'ok'],
        ['integrity.isolation', 'no process', 'ok'],
      ],
    });
  });

  it('restarts a guest whose loggers have ended', () => {
    const mute = sampleEvidence(guest, { lostHelpers: ['logger of serial', 'logger of stderr'] });
    expect(diff(guest, sampleGuestFacts(guest), mute)).toEqual({
      action: 'restart',
      disruption: 'restart',
      reasons: [['integrity.process', 'runs without its logger of serial and logger of stderr', 'ok']],
    });
  });

  it('takes a layer that could not be read for one that does not hold', () => {
    const evidence = sampleEvidence(guest);
    const unproven = {
      ...evidence,
      layers: evidence.layers.map((each) =>
        each.layer === 'seccomp' ? { ...each, state: 'unproven' as const, observed: 'not read' } : each,
      ),
    };
    expect(diff(guest, sampleGuestFacts(guest), unproven).reasons).toEqual([
      ['integrity.isolation', 'seccomp unproven: not read', 'ok'],
    ]);
  });

  it('takes no evidence for no proof', () => {
    expect(guestDiff(guest, sampleGuestFacts(guest), undefined, renderGuest(guest, sampleHost)).action).toBe(
      'restart',
    );
  });

  it('names what differs inside a field, and is not moved by the order in which it is written', () => {
    const disk = { name: 'a', path: '/srv/a', format: 'raw', readonly: false, backing: [] } as const;
    const other = {
      ...disk,
      name: 'b',
      path: '/srv/b',
      format: 'qcow2',
      backing: [{ path: '/srv/base', format: 'raw' }],
    } as const;
    const weak = sampleGuest({
      disks: [disk, other],
      devices: ['/dev/a', '/dev/b'],
      limits: { tasks: 200 },
      isolation: { off: ['chroot'], mayBeMissing: ['lsm'], hostDevMounts: true },
    });
    expect(diff(weak, sampleGuestFacts(guest)).reasons).toEqual([
      ['disks.a', '(none)', '/srv/a (raw), writable'],
      ['disks.b', '(none)', '/srv/b (qcow2) on /srv/base (raw), writable'],
      ['devices', '(none)', '/dev/a, /dev/b'],
      ['limits.tasks', '(none)', '200'],
      ['isolation.off', '(none)', 'chroot'],
      ['isolation.mayBeMissing', '(none)', 'lsm'],
      ['isolation.hostDevMounts', 'false', 'true'],
    ]);
    const stored = sampleGuestFacts(weak);
    expect(diff({ ...weak, limits: { openFiles: undefined, tasks: 200 } }, stored).action).toBe('noop');
    expect(diff({ ...weak, disks: [other, disk] }, stored).reasons).toEqual([
      ['disks.order', 'a, b', 'b, a'],
    ]);
    expect(diff({ ...weak, disks: [other] }, stored).reasons[0]).toEqual([
      'disks.a',
      '/srv/a (raw), writable',
      '(none)',
    ]);
  });

  it('says what becomes of its isolation, and nothing where nothing does', () => {
    const isolation = { off: ['net-namespace'], mayBeMissing: [], hostDevMounts: false } as const;
    const weak = sampleGuest({ isolation, devices: ['/dev/vfio/12'] });
    const changeOf = (desired: GuestDesired, facts?: GuestFacts) =>
      guestDiff(desired, facts, sampleEvidence(desired), renderGuest(desired, sampleHost));
    for (const facts of [
      undefined,
      sampleGuestFacts(guest),
      sampleGuestFacts(guest, { stored: undefined }),
    ]) {
      expect(changeOf(weak, facts).isolation).toMatchObject({
        losses: [{ what: 'network namespace' }],
        gains: [{ what: '/dev/vfio/12' }],
      });
    }
    expect(changeOf(guest, sampleGuestFacts(weak)).isolation).toMatchObject({
      regained: [{ what: 'network namespace' }],
      dropped: [{ what: '/dev/vfio/12' }],
    });
    expect(changeOf(weak, sampleGuestFacts(weak))).not.toHaveProperty('isolation');
    expect(changeOf(guest)).not.toHaveProperty('isolation');
  });

  it('tells a cause that touches many layers once', () => {
    const observed = "the device model is not the host's QEMU binary";
    const whole = sampleEvidence(guest);
    const layers = whole.layers.map((each, index) =>
      index < 5 ? { ...each, state: 'unproven' as const, observed } : each,
    );
    expect(diff(guest, sampleGuestFacts(guest), { ...whole, layers }).reasons).toEqual([
      ['integrity.isolation', `5 of 16 layers unproven: ${observed}`, 'ok'],
    ]);
  });

  it('treats a damaged record as a difference', () => {
    expect(diff(guest, sampleGuestFacts(guest, { stored: undefined })).reasons[0]?.[0]).toBe('record');
  });
});
