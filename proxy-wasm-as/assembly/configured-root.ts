// A root context whose plugin configuration is JSON.
import { LogLevel } from "./abi";
import { MAX_CONFIGURATION_BYTES } from "./config-reader";
import { RootContext } from "./context";
import { log } from "./host";
import { Json } from "./json";

/** What is wrong with a configuration goes to the log, and the host refuses it. */
export abstract class ConfiguredRoot extends RootContext {
  /** `name` begins the line of the log; `wanted` shows the forms that a configuration may have. */
  constructor(id: u32, private name: string, private wanted: string) { super(id); }

  /** Takes a configuration. What is wrong with it; empty: nothing. */
  protected abstract configure(json: Json): string;

  onConfigure(configuration: ArrayBuffer): bool {
    const size = configuration.byteLength;
    const json = new Json();
    const problem = size > MAX_CONFIGURATION_BYTES ? "too large" : json.parse(configuration, 0, size) ? this.configure(json) : "not JSON; wanted: " + this.wanted;
    if (problem.length > 0) log(LogLevel.Error, this.name + ": configuration: " + problem);
    return problem.length == 0;
  }
}
