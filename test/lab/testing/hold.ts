import { startLab } from '../lab.ts';

/** Started by lab.test.ts, which then ends it in some way: starts a lab, says so, and waits. */
const lab = await startLab({ hosts: 2, name: 'hold' });
console.log(JSON.stringify({ id: lab.id, links: lab.hosts.map((host) => host.link) }));
process.stdin.once('data', () => {
  throw new Error('as asked');
});
