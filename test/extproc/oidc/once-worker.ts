// A worker process for tests: runs what the test tells it, once over all that are told so.
import { onceBy, OnceFailed } from '../../../extproc/oidc/once.ts';

type Message = { readonly kind: 'run'; readonly key: string; readonly times: number; readonly ms: number; readonly fail?: boolean } | { readonly kind: 'answer'; readonly number: number; readonly value?: unknown };

const asked = new Map<number, (value: unknown) => void>();
const send = (message: object): void => { process.send?.(message); };
const once = onceBy((question) => new Promise((resolve) => {
  asked.set(asked.size, resolve);
  send({ kind: 'ask', number: asked.size - 1, question });
}));

process.on('message', (message: Message) => {
  if (message.kind === 'answer') { asked.get(message.number)?.(message.value); return; }
  const { key, times, ms, fail } = message;
  for (let i = 0; i < times; i++) {
    once.run(key, 0, async () => {
      send({ kind: 'computes', key });
      await new Promise((resolve) => { setTimeout(resolve, ms); });
      if (fail === true) throw Object.assign(new Error('hunter2'), { reason: 'refused' });
      return `by ${process.pid}`;
    }).then((text) => send({ kind: 'got', key, text }), (error: Error) => send({ kind: 'failed', key, reason: error instanceof OnceFailed ? error.reason : error.message }));
  }
});
send({ kind: 'ready' });
