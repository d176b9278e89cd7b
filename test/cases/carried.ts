// Metadata as the controller writes it: of a route the ids of its policies, of its virtual host the policies under their ids.
type Leaves = Record<string, string>;
// An alias and no interface: only then it counts as a record.
type Metadata = { readonly filter_metadata: { readonly gatewright: Leaves } };

/** `<kind>` is the id of a policy, `<kind>_policy` the policy; what is neither stays with the route. */
export function carried(leaves: Readonly<Record<string, unknown>>): { route_metadata: Metadata; virtual_host_metadata: Metadata } {
  const route: [string, unknown][] = [], host: [string, unknown][] = [];
  for (const [name, value] of Object.entries(leaves)) {
    if (name.endsWith('_policy')) host.push([`${name}.${String(leaves[name.slice(0, -'_policy'.length)])}`, value]);
    else route.push([name, value]);
  }
  const metadata = (entries: [string, unknown][]): Metadata => ({ filter_metadata: { gatewright: Object.fromEntries(entries) as Leaves } });
  return { route_metadata: metadata(route), virtual_host_metadata: metadata(host) };
}
