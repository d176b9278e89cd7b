// What the controller says in Envoy's configuration and the login service says in its own words must be the same: neither may import the other.
import { fromBinary, toJson } from '@bufbuild/protobuf';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { policies } from '../../controller-glue/extproc-policies.ts';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { httpFilters } from '../../controller-glue/xds/extensions.ts';
import { OIDC } from '../../controller-glue/xds/processors.ts';
import { routeJson } from '../../controller-glue/xds/routes.ts';
import { oidcProcessor } from '../../extproc/oidc/processor.ts';
import { changed } from '../../extproc/wire-response.ts';
import { OidcPolicy } from '../../policy/oidc.ts';
import { ProcessingResponseSchema } from '../../proto/envoy/service/ext_proc/v3/external_processor_pb.js';

/** A byte that says whether what follows is compressed, and four of its length. */
const GRPC_FRAME = 5;

interface ExtProc { readonly messageTimeout: string; readonly allowedOverrideModes: readonly object[]; readonly processingMode: object; readonly metadataOptions: object }
const filter = JSON.parse(JSON.stringify(httpFilters.find(({ name }) => name === OIDC))) as { typedConfig: { xdsMatcher: { onNoMatch: { action: { typedConfig: { typedConfig: { typedConfig: ExtProc } } } } } } };
const settings = filter.typedConfig.xdsMatcher.onNoMatch.action.typedConfig.typedConfig.typedConfig;
const processor = oidcProcessor({} as Parameters<typeof oidcProcessor>[0]);
const { ir } = translate(load([{ path: 'in.yaml', text: readFileSync(join(import.meta.dirname, '../golden/every-setting-of-a-login-has-its-place/in.yaml'), 'utf8') }]).resources);
const routes = ir.gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap((host) => host.routes)));

test('a route asks the processor by its name, for the policy that the service is told', () => {
  const told = policies(ir).filter((policy) => policy.processor === processor.name);
  expect(told).toHaveLength(1);
  expect(routes.map((route) => routeJson(route).typedPerFilterConfig?.[OIDC])).toMatchObject(told.map(({ id }) => ({ overrides: { grpcInitialMetadata: [{ key: 'gatewright-policy', value: id }, { key: 'gatewright-processor', value: processor.name }] } })));
  expect(OidcPolicy.parse(JSON.parse(told[0]?.document.reveal() ?? ''))).toEqual(routes[0]?.oidc?.policy);
});

test('Envoy waits longer than the login takes', () => expect(Number.parseInt(settings.messageTimeout, 10) * 1000).toBeGreaterThan(processor.deadline ?? Infinity));

test.each([['the headers of an answer', { responseHeaders: true }], ['the body of a back-channel logout', { requestBody: 'BUFFERED' as const }]])('Envoy lets the login ask for %s', (_, mode) => {
  const answer = changed({ phase: 'request_headers', headers: undefined, body: undefined, bodyMode: 'NONE', endOfStream: false }, { mode });
  const asked = (toJson(ProcessingResponseSchema, fromBinary(ProcessingResponseSchema, answer.subarray(GRPC_FRAME))) as { modeOverride: object }).modeOverride;
  // What is not said is the first of its kind; of request headers nothing is asked.
  const whole = (given: object): object => ({ requestBodyMode: 'NONE', responseBodyMode: 'NONE', ...given, requestHeaderMode: 'SEND' });
  expect(settings.allowedOverrideModes.map(whole)).toContainEqual(whole(asked));
  expect(whole(settings.processingMode)).not.toEqual(whole(asked));
});

test('a session is bound to more than the name of its cookie shows: nobody finds a policy of his own whose sessions are those of another', () => {
  const { policy, session } = routes[0]?.oidc ?? {};
  expect(policy?.scope).toMatch(/^[a-z2-7]{26}$/);
  expect([session?.scope, session?.cookie]).toEqual([policy?.scope, expect.stringMatching(new RegExp(`gatewright-assertion-${policy?.scope.slice(0, 10)}$`))]);
});
