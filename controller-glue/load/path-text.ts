// A field's path as the user would write it.

export type Path = readonly (string | number)[];

/** ['spec', 'jwt', 'providers', 0] → `spec.jwt.providers[0]`; keys with dots or spaces in quotes. */
export function pathText(path: Path): string {
  let text = '';
  for (const key of path) text = childPath(text, key);
  return text;
}

export function childPath(parent: string, key: string | number): string {
  if (typeof key === 'number') return `${parent}[${key}]`;
  if (!/^[A-Za-z0-9_$-]+$/.test(key)) return `${parent}[${JSON.stringify(key)}]`;
  return parent === '' ? key : `${parent}.${key}`;
}
