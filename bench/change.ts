// From a saved file to the first answer that shows the change, in the data plane, with N routes that have a policy each; and the
// controller's memory. The change is one policy of N (its audience), by rename; a client asks that route all the time.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../test/envoy/answer.ts';
import { jwks, token } from '../test/cases/tokens.ts';
import { Gatewright } from '../test/up/gatewright.ts';
import { base, documents, httpRoute, securityPolicy } from '../test/up/manifests.ts';
import { median, quantile } from './statistics.ts';

const SAMPLES = Number(process.env['BENCH_SAMPLES'] ?? 15);
const inline = JSON.stringify({ keys: [jwks.keys[0]] });
const policy = (i: number, audience: string): object => securityPolicy(`r${i}`, { jwt: { providers: [{ name: 'p', issuer: `https://issuer-${i}.example`, audiences: [audience], localJWKS: { type: 'Inline', inline } }] } });
const residentMiB = (pid: number): number => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** All routes and policies in one file, or the policies in a file each. */
function files(n: number, layout: 'one file' | 'a file each', audience: string): Record<string, string> {
  const routes = Array.from({ length: n }, (_, i) => httpRoute(`r${i}`));
  const policies = Array.from({ length: n }, (_, i) => policy(i, i === n - 1 ? audience : 'web'));
  if (layout === 'one file') return { 'base.yaml': base, 'all.yaml': documents(...routes, ...policies) };
  return { 'base.yaml': base, 'routes.yaml': documents(...routes), ...Object.fromEntries(policies.map((one, i) => [`p${i}.yaml`, documents(one)])) };
}

async function measure(n: number, layout: 'one file' | 'a file each'): Promise<string> {
  const gatewright = await Gatewright.start(files(n, layout, 'web'));
  try {
    const last = n - 1;
    const headers = { authorization: `Bearer ${token({ iss: `https://issuer-${last}.example`, aud: 'api' })}` };
    const status = async (): Promise<number> => (await ask(gatewright.address(), `/r${last}/x`, { headers })).status;
    const times: number[] = [];
    for (let i = 0; i < SAMPLES; i++) {
      const [audience, wanted] = i % 2 === 0 ? ['api', 200] : ['web', 403];
      const name = layout === 'one file' ? 'all.yaml' : `p${last}.yaml`;
      const text = files(n, layout, audience as string)[name] ?? '';
      const effect = (async () => { while ((await status()) !== wanted) { /* ask again at once */ } })();
      const saved = performance.now();
      const applied = gatewright.replace(name, text);
      await effect;
      times.push(performance.now() - saved);
      await applied;
    }
    await sleep(3_500);                                                // memory is given back when nothing happens
    return `| ${n} | ${layout} | ${median(times).toFixed(0)} ms | ${quantile(times, 0).toFixed(0)} – ${quantile(times, 1).toFixed(0)} ms | ${residentMiB(gatewright.pid).toFixed(0)} MiB |`;
  } finally {
    await gatewright.stop();
  }
}

export async function benchChange(): Promise<void> {
  console.log(`Change of one policy to its effect in the data plane (${SAMPLES} changes)\n`);
  console.log('| routes with a policy each | layout | median | least – most | controller RSS after |\n| --- | --- | --- | --- | --- |');
  for (const n of [1, 100, 1_000]) for (const layout of ['one file', 'a file each'] as const) console.log(await measure(n, layout));
}
if (import.meta.main) await benchChange();
