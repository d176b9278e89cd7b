// The DnsClient of the tests.
import { DnsClient, type DnsLimits, defaultDnsLimits } from '../../../extproc/resolver/dns.ts';
import type { Ask, Family, Found } from '../../../extproc/resolver/nameservers.ts';
import { DnsSettings } from '../../../policy/resolver.ts';
import { noHosts } from './answers.ts';
import { Clock, settle } from './clock.ts';

/** A DnsClient with a clock of its own. */
export function client(ask: Ask, settings: Partial<DnsSettings> = {}, limits: Partial<DnsLimits> = {}, hosts: ConstructorParameters<typeof DnsClient>[3] = noHosts) {
  const clock = new Clock();
  return { clock, dns: new DnsClient(DnsSettings.parse(settings), clock, ask, hosts, { ...defaultDnsLimits, ...limits }) };
}

/** Answers that a test gives by hand, one by one. */
export function byHand() {
  const asked: { readonly name: string; readonly family: Family; readonly answer: (found: Found) => Promise<void> }[] = [];
  const ask: Ask = (name, family) => new Promise((resolve) => { asked.push({ name, family, answer: async (result) => { resolve(result); await settle(); } }); });
  return { ask, asked };
}
