// Drops the custom options (validate.rules, udpa.annotations, …) and the imports that only they need from a file descriptor.
// Why: nothing of ours reads them, and importing the registry is several times faster without (protobuf-es walks every path of imports).

import type { DescriptorProto, EnumDescriptorProto, FileDescriptorProto } from '@bufbuild/protobuf/wkt';

/** Files that define nothing but custom options: their extensions are what we drop. */
const ANNOTATIONS = /^(udpa\/annotations|xds\/annotations|envoy\/annotations|validate|google\/api\/annotations)/;

/** Changes `file` in place. Options that descriptor.proto itself defines (deprecated, map_entry, packed, …) stay. */
export function withoutAnnotations(file: FileDescriptorProto): void {
  file.dependency = file.dependency.filter((name) => !ANNOTATIONS.test(name));
  // Both are indexes into `dependency`, which has just changed; they matter to no generated code.
  file.publicDependency = [];
  file.weakDependency = [];
  strip(file);
  file.messageType.forEach(stripMessage);
  file.enumType.forEach(stripEnum);
  file.extension.forEach(strip);
  for (const service of file.service) {
    strip(service);
    service.method.forEach(strip);
  }
}

function stripMessage(message: DescriptorProto): void {
  strip(message);
  message.field.forEach(strip);
  message.extension.forEach(strip);
  message.oneofDecl.forEach(strip);
  message.enumType.forEach(stripEnum);
  message.nestedType.forEach(stripMessage);
}

function stripEnum(type: EnumDescriptorProto): void {
  strip(type);
  type.value.forEach(strip);
}

/** A custom option is an unknown field of the options message, as long as nobody registers its extension. */
function strip(described: { options?: { $unknown?: unknown } | undefined }): void {
  if (described.options !== undefined) delete described.options.$unknown;
}
