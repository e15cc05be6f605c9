/** modprobe's configuration: aliases, options, commands, soft dependencies. Source: modprobe.d(5). */
import { normaliseAlias } from "./names.js";

interface Command {
  readonly module: string;
  readonly command: string;
}

export interface Softdep {
  readonly module: string;
  readonly pre: readonly string[];
  readonly post: readonly string[];
}

export interface Weakdep {
  readonly module: string;
  readonly weak: readonly string[];
}

export class ModprobeConfig {
  readonly aliases: { readonly alias: string; readonly module: string }[] = [];
  readonly blacklist: string[] = [];
  readonly options: { readonly module: string; readonly options: string }[] = [];
  readonly install: Command[] = [];
  readonly remove: Command[] = [];
  readonly softdeps: Softdep[] = [];
  /** Since kmod 33. What builds an initramfs reads them; modprobe loads nothing for them. */
  readonly weakdeps: Weakdep[] = [];

  /** Takes a logical line in; false: it is none that modprobe knows, or it lacks something. */
  add(line: string): boolean {
    const [, command = "", first, rest] = /^[ \t]*([^ \t]+)(?:[ \t]+([^ \t]+))?(?:[ \t](.*))?$/s.exec(line) ?? [];
    // One blank parts the name from what follows; more of them are part of it.
    const name = first === undefined ? undefined : normaliseAlias(first);
    if (command === "" || command.startsWith("#")) return true;
    if (name === undefined) return false;
    switch (command) {
      case "alias": {
        const word = rest?.trim().split(/[ \t]/)[0];
        const module = word === undefined || word === "" ? undefined : normaliseAlias(word);
        if (module === undefined) return false;
        this.aliases.push({ alias: name, module });
        return true;
      }
      case "blacklist":
        this.blacklist.push(name);
        return true;
      case "options":
        if (rest === undefined) return false;
        this.options.push({ module: name, options: rest.replaceAll("\t", " ") });
        return true;
      case "install":
      case "remove":
        if (rest === undefined) return false;
        this[command].push({ module: name, command: rest });
        return true;
      case "softdep":
        if (rest === undefined) return false;
        this.softdeps.push(parseSoftdep(name, rest));
        return true;
      case "weakdep":
        if (rest === undefined) return false;
        this.weakdeps.push({ module: name, weak: rest.split(/\s+/).filter((word) => word !== "") });
        return true;
      default:
        return false;
    }
  }

  /** `module.parameter=value` and `modprobe.blacklist=a,b` on the kernel's command line. Source: modprobe(8). */
  addKernelCommandLine(line: string): void {
    for (const word of line.match(/(?:[^\s"]|"[^"]*")+/g) ?? []) {
      const [, module, parameter] = /^"?([^".=\s]+)\.([^.=\s]+(?:=[\s\S]*)?)$/.exec(word) ?? [];
      if (module === undefined || parameter === undefined) continue;
      if (module === "modprobe" && parameter.startsWith("blacklist=")) {
        this.blacklist.push(...parameter.slice("blacklist=".length).split(","));
        continue;
      }
      const name = normaliseAlias(module);
      // The boot loader may have put the first quote before the module's name.
      const quoted = word.startsWith('"') ? parameter.replace("=", '="') : parameter;
      if (name !== undefined) this.options.push({ module: name, options: quoted });
    }
  }

  /** What `--show-config` prints of it. */
  lines(): string[] {
    return [
      ...this.blacklist.map((module) => `blacklist ${module}`),
      ...this.install.map(({ module, command }) => `install ${module} ${command}`),
      ...this.remove.map(({ module, command }) => `remove ${module} ${command}`),
      ...this.aliases.map(({ alias, module }) => `alias ${alias} ${module}`),
      ...this.options.map(({ module, options }) => `options ${module} ${options}`),
      ...this.softdeps.map(({ module, pre, post }) => `softdep ${module} ${softdepText(pre, post)}`),
      ...this.weakdeps.map(({ module, weak }) => `weakdep ${module} ${weak.join(" ")}`),
    ];
  }
}

function parseSoftdep(module: string, text: string): Softdep {
  const found = { pre: [] as string[], post: [] as string[] };
  let list: string[] | undefined;
  for (const word of text.split(/\s+/)) {
    if (word === "pre:") list = found.pre;
    else if (word === "post:") list = found.post;
    else if (word !== "") list?.push(word);
  }
  return { module, ...found };
}

/** Without a blank between the parts, as kmod prints it: who compares the output with kmod's shall find no difference. */
const softdepText = (pre: readonly string[], post: readonly string[]) =>
  (pre.length > 0 ? `pre: ${pre.join(" ")}` : "") + (post.length > 0 ? `post: ${post.join(" ")}` : "");
