// From a saved file to the first answer that shows a changed circuit breaker: a cluster that changes must not wait for its endpoints.
import { ask } from '../test/envoy/answer.ts';
import { Gatewright } from '../test/up/gatewright.ts';
import { base, documents, httpRoute } from '../test/up/manifests.ts';
import { median, quantile } from './statistics.ts';

const SAMPLES = Number(process.env['BENCH_SAMPLES'] ?? 15);

/** Closed: not one request may be under way. Open: as many as anybody sends here. */
const policy = (open: boolean): object => ({
  apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'BackendTrafficPolicy', metadata: { name: 'r0' },
  spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'r0' }], circuitBreaker: { maxParallelRequests: open ? 100 : 0 } },
});

export async function benchClusterChange(): Promise<void> {
  const files = (open: boolean): Record<string, string> => ({ 'base.yaml': base, 'route.yaml': documents(httpRoute('r0')), 'policy.yaml': documents(policy(open)) });
  const gatewright = await Gatewright.start(files(true));
  try {
    const status = async (): Promise<number> => (await ask(gatewright.address(), '/r0/x')).status;
    const times: number[] = [];
    for (let i = 0; i < SAMPLES; i++) {
      const open = i % 2 === 1;
      const effect = (async () => { while ((await status()) !== (open ? 200 : 503)) { /* ask again at once */ } })();
      const saved = performance.now();
      const applied = gatewright.replace('policy.yaml', files(open)['policy.yaml'] ?? '');
      await effect;
      times.push(performance.now() - saved);
      await applied;
    }
    console.log(`Change of a circuit breaker (a cluster) to its effect in the data plane (${SAMPLES} changes): median ${median(times).toFixed(0)} ms, ${quantile(times, 0).toFixed(0)} – ${quantile(times, 1).toFixed(0)} ms\n`);
  } finally {
    await gatewright.stop();
  }
}
if (import.meta.main) await benchClusterChange();
