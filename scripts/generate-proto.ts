// Writes proto/: Envoy's API for TypeScript, from the schema inside the Envoy binary that will be run.
//   node scripts/generate-proto.ts --envoy PATH
// Does nothing when proto/ already comes from that Envoy version and these scripts. Generated, never edited, never committed.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { DescriptorProto, FileDescriptorProto } from '@bufbuild/protobuf/wkt';

/** What our code names, and what the goldens may hold inside an Any. Everything these import comes along. */
const ROOTS: readonly RegExp[] = [
  /^envoy\/config\/(bootstrap|listener|route|cluster|endpoint|core|rbac|accesslog|common\/.*)\/v3\//,
  /^envoy\/extensions\/filters\/http\/(wasm|rbac|router|ext_proc|jwt_authn|fault|lua|header_mutation|cors|composite|set_filter_state|local_ratelimit|header_to_metadata)\/v3\//,
  /^envoy\/extensions\/filters\/common\/(fault|matcher\/action)\/v3\//,
  /^envoy\/extensions\/filters\/network\/(http_connection_manager|wasm|connection_limit|tcp_proxy|rbac|set_filter_state)\/v3\//,
  /^envoy\/extensions\/filters\/listener\/(tls_inspector|proxy_protocol)\/v3\//,
  /^envoy\/extensions\/(wasm|upstreams\/http|common\/matching|transport_sockets\/(tls|raw_buffer|quic|proxy_protocol))\/v3\//,
  /^envoy\/extensions\/(clusters|access_loggers|formatter|load_balancing_policies|matching|path|rbac|retry|internal_redirect|string_matcher)\//,
  /^envoy\/(service\/(discovery|ext_proc)|type|admin\/v3\/(clusters|config_dump))/,
  /^(xds\/type|google\/rpc\/status|source\/extensions\/common\/wasm)/,
];

const root = dirname(import.meta.dirname);
const target = join(root, 'proto');

/** protobuf-es has these built in, as @bufbuild/protobuf/wkt. */
const WELL_KNOWN = /^google\/protobuf\//;

async function generate(envoy: string, stamp: string): Promise<void> {
  const started = performance.now();
  // Imported here: when nothing is to be done they would be most of the run time.
  const { create, fromBinary, toBinary } = await import('@bufbuild/protobuf');
  const { FileDescriptorProtoSchema } = await import('@bufbuild/protobuf/wkt');
  const { CodeGeneratorRequestSchema, CodeGeneratorResponseSchema } = await import('@bufbuild/protobuf/wkt/google/protobuf/compiler/plugin_pb.js');
  const { protoCamelCase } = await import('@bufbuild/protobuf/reflect');
  const { embeddedDescriptors } = await import('./embedded-descriptors.ts');
  const { withoutAnnotations } = await import('./without-annotations.ts');

  const all = new Map<string, FileDescriptorProto>();
  for (const [name, bytes] of embeddedDescriptors(readFileSync(envoy))) all.set(name, fromBinary(FileDescriptorProtoSchema, bytes));
  say(`read ${all.size} descriptors from ${envoy}`, started);

  for (const file of all.values()) withoutAnnotations(file);
  const files = inOrderOfImport(all, [...all.keys()].filter((name) => ROOTS.some((wanted) => wanted.test(name))));
  for (const file of files) for (const message of file.messageType) nameJsonFields(message, protoCamelCase);
  const own = files.map(({ name }) => name).filter((name) => !WELL_KNOWN.test(name));
  const request = create(CodeGeneratorRequestSchema, { fileToGenerate: own, protoFile: files, parameter: 'target=js+dts,json_types=true,import_extension=js' });
  const plugin = createRequire(import.meta.url).resolve('@bufbuild/protoc-gen-es/bin/protoc-gen-es');
  const { stdout, stderr, status } = spawnSync(process.execPath, [plugin], { input: toBinary(CodeGeneratorRequestSchema, request), maxBuffer: 2 ** 30 });
  if (status !== 0) throw new Error(`protoc-gen-es failed: ${stderr.toString()}`);
  const response = fromBinary(CodeGeneratorResponseSchema, stdout);
  if (response.error !== '') throw new Error(`protoc-gen-es: ${response.error}`);

  // Written beside and moved into place: another process may be reading proto/ right now.
  const fresh = join(root, 'build', `proto-${process.pid}`);
  for (const { name, content } of response.file) write(join(fresh, name), content);
  write(join(fresh, 'registry.js'), registrySource(own));
  write(join(fresh, 'registry.d.ts'), REGISTRY_TYPES);
  write(join(fresh, '.generated-from'), stamp);
  replaceFolder(target, fresh);
  say(`wrote proto/: ${own.length} files`, started);
}

/** `wanted` and all they import, each after its imports, as a CodeGeneratorRequest requires. */
function inOrderOfImport(all: ReadonlyMap<string, FileDescriptorProto>, wanted: readonly string[]): FileDescriptorProto[] {
  const ordered = new Map<string, FileDescriptorProto>();
  const visit = (name: string, importedBy: string): void => {
    if (ordered.has(name)) return;
    const file = all.get(name);
    if (file === undefined) throw new Error(`${name}, imported by ${importedBy}, is not in the Envoy binary`);
    for (const dependency of file.dependency) visit(dependency, name);
    ordered.set(name, file);
  };
  for (const name of wanted.toSorted()) visit(name, 'scripts/generate-proto.ts');
  return [...ordered.values()];
}

/** protoc gives every field its json_name in a CodeGeneratorRequest; embedded descriptors leave it out. */
function nameJsonFields(message: DescriptorProto, protoCamelCase: (name: string) => string): void {
  for (const field of message.field) {
    if (field.jsonName === '') field.jsonName = protoCamelCase(field.name);
  }
  for (const nested of message.nestedType) nameJsonFields(nested, protoCamelCase);
}

function registrySource(files: readonly string[]): string {
  const bases = files.map((name) => name.replace(/\.proto$/, ''));
  const symbol = (base: string): string => `file_${base.replace(/[^a-zA-Z0-9]/g, '_')}`;
  return [
    '// Every generated file in one registry, for google.protobuf.Any in JSON. Generated by scripts/generate-proto.ts.',
    "import { createRegistry } from '@bufbuild/protobuf';",
    ...bases.map((base) => `import { ${symbol(base)} } from './${base}_pb.js';`),
    `export const registry = createRegistry(\n${bases.map((base) => `  ${symbol(base)},`).join('\n')}\n);`,
    '',
  ].join('\n');
}

const REGISTRY_TYPES = `import type { Registry } from '@bufbuild/protobuf';
/** Every message of Envoy's API that we generate: hand it to toJson and fromJson wherever a google.protobuf.Any may occur. */
export declare const registry: Registry;
`;

function replaceFolder(folder: string, fresh: string): void {
  const old = `${fresh}-old`;
  if (existsSync(folder)) renameSync(folder, old);
  try {
    renameSync(fresh, folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
    rmSync(fresh, { recursive: true }); // another run of ours was faster by a moment; its output is the same
  }
  rmSync(old, { recursive: true, force: true });
}

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

function envoyVersion(envoy: string): string {
  const { stdout, error } = spawnSync(envoy, ['--version'], { encoding: 'utf8' });
  if (error !== undefined) throw new Error(`cannot run ${envoy}: ${error.message}`);
  return stdout.match(/version: (\S+)/)?.[1] ?? stdout.trim();
}

/** Of what decides the output besides Envoy: these scripts and the generator. */
function scriptsDigest(): string {
  const generator = createRequire(import.meta.url).resolve('@bufbuild/protoc-gen-es/package.json');
  const ours = ['generate-proto.ts', 'embedded-descriptors.ts', 'without-annotations.ts'].map((name) => join(import.meta.dirname, name));
  const digest = createHash('sha256');
  for (const path of [...ours, generator]) digest.update(readFileSync(path));
  return digest.digest('hex').slice(0, 16);
}

function say(what: string, started: number): void {
  process.stderr.write(`proto: ${what} (${((performance.now() - started) / 1000).toFixed(1)} s)\n`);
}

const { values } = parseArgs({ options: { envoy: { type: 'string' } } });
if (values.envoy === undefined) {
  process.stderr.write('usage: node scripts/generate-proto.ts --envoy PATH\n');
  process.exit(2);
}
const stamp = `${envoyVersion(values.envoy)} ${scriptsDigest()}\n`;
const stampFile = join(target, '.generated-from');
if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) await generate(values.envoy, stamp);
