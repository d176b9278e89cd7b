// maxPendingRequests 0 says that nothing waits. Where something may all the same, its author is told.
import { expect, test } from 'vitest';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { documents, gateway, gatewayClass, httpRoute, service } from '../up/manifests.ts';

const QUEUE = 'maxPendingRequests', ENDPOINT = 'perEndpoint.maxConnections';

test.each<[object, readonly string[]]>([
  [{ maxParallelRequests: 10 }, []],
  [{ maxConnections: 20, maxParallelRequests: 10 }, []],
  [{ maxConnections: 3, maxParallelRequests: 10 }, [`${QUEUE}: with maxConnections below maxParallelRequests, up to 3 requests`]],
  [{ maxConnections: 10, maxParallelRequests: 10 }, [`${QUEUE}: with maxConnections below maxParallelRequests for each of several workers, up to 10 requests`]],
  [{ maxConnections: 19, maxParallelRequests: 10 }, [`${QUEUE}: with maxConnections below maxParallelRequests for each of several workers, up to 10 requests`]],
  [{}, [`${QUEUE}: with maxConnections below maxParallelRequests for each of several workers, up to 1024 requests`]],
  [{ maxParallelRequests: 10, perEndpoint: { maxConnections: 10 } }, []],
  [{ maxParallelRequests: 10, perEndpoint: { maxConnections: 9 } }, [`${ENDPOINT}: is below maxParallelRequests, so up to 10 requests`]],
  [{ maxConnections: 10, maxPendingRequests: 5, maxParallelRequests: 10, perEndpoint: { maxConnections: 1 } }, []],
])('%j', (settings, wanted) => {
  const policy = {
    apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'BackendTrafficPolicy', metadata: { name: 'one' },
    spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'one' }], circuitBreaker: { maxPendingRequests: 0, ...settings } },
  };
  const loaded = load([{ path: 'a.yaml', text: documents(gatewayClass, gateway(), service(), httpRoute('one'), policy) }]);
  const { problems } = translate(loaded.resources);
  expect([...loaded.problems, ...problems].map(({ severity, path, message }) => `${severity} ${path}: ${message.split(' may still wait ')[0]}`)).toEqual(wanted.map((each) => `warning spec.circuitBreaker.${each}`));
});
