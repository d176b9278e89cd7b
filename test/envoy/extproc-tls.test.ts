// ext_proc over TCP with certificates on both sides, as on Kubernetes.
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { issueCertificate } from '../../examples/certificate.ts';
import { ExtProcServer } from '../../extproc/server.ts';
import { realWorld } from '../../extproc/world.ts';
import { EnvoyProcess } from './envoy-process.ts';
import { any, extProcBootstrap } from './extproc-bootstrap.ts';
import { exchange } from './extproc-exchange.ts';

const authority = issueCertificate('ours', { authority: true });
const stranger = issueCertificate('theirs', { authority: true });
const own = issueCertificate('service', { names: ['extproc.test'], issuer: authority });

test.each([
  ['one of ours is served', issueCertificate('envoy', { issuer: authority }), 418],
  ['a stranger\'s is not, and nothing passes', issueCertificate('envoy', { issuer: stranger }), 500],
])('an Envoy whose certificate is %s', { timeout: 60_000 }, async (_, { key, certificate }, status) => {
  const server = new ExtProcServer({ processors: [{ name: 'tea', onRequestHeaders: () => ({ kind: 'respond', status: 418, details: 'no_coffee' }) }], world: realWorld, log: pino({ level: 'silent' }), registry: new Registry() });
  const port = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0, certificates: { key: own.key, cert: own.certificate, ca: authority.certificate } });
  const inline = (text: string): object => ({ inline_string: text });
  const envoy = await EnvoyProcess.start(extProcBootstrap({
    upstreamPort: undefined, messageTimeout: '2s', namespaces: [], services: { service: [port] }, routes: [{ prefix: '/', processor: 'tea' }],
    transportSocket: { name: 'tls', typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      sni: 'extproc.test',
      common_tls_context: {
        alpn_protocols: ['h2'], tls_certificates: [{ certificate_chain: inline(certificate), private_key: inline(key) }],
        validation_context: { trusted_ca: inline(authority.certificate), match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'extproc.test' } }] },
      },
    }) },
  }));
  try {
    expect((await exchange(await envoy.address('edge'), '/')).status).toBe(status);
    const drained = server.drain(3_000);
    if (status === 418) expect((await exchange(await envoy.address('edge'), '/')).status).toBe(418);  // Nobody has told Envoy to stay away.
    await drained;
    expect((await exchange(await envoy.address('edge'), '/')).status).toBe(500);
  } finally {
    await envoy.stop();
    await server.stop();
  }
});
