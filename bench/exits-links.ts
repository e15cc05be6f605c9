/**
 * Three ways to link the calls that the neutral core makes to the architecture at every exit, each as a bundle of the same
 * sources:
 *
 *   table    through `vm.arch`, as the sources have it
 *   direct   the architecture's functions, imported: one module per architecture
 *   patched  variables of the module, set when the first vCPU is made, as static_call's sites are patched
 */
import { readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

const dist = fileURLToPath(new URL("..", import.meta.url));

export const links = ["table", "direct", "patched"] as const;
export type Link = (typeof links)[number];

/** The hooks that run at every exit. */
const hooks = ["enter", "handleExit", "completeExit"] as const;

/** Replaces text that must be there. */
function replace(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`vcpu.js no longer has ${from}: mend bench/exits.ts`);
  return text.replaceAll(from, to);
}

function rewriteVcpu(text: string, link: Link): string {
  if (link === "table") return text;
  let out = text;
  for (const hook of hooks)
    out = replace(out, `arch.${hook}(`, `${hook}Hook(`).replaceAll(`this.vm.${hook}Hook(`, `${hook}Hook(`);
  out = replace(out, "arch.wakeOffset", "wakeOffsetHook").replaceAll("this.vm.wakeOffsetHook", "wakeOffsetHook");
  out = replace(out, "arch.inGuestOffset", "inGuestOffsetHook");
  const names = [...hooks, "wakeOffset", "inGuestOffset"];
  if (link === "direct") {
    const imported = names.map((name) => `${name}Hook`).join(", ");
    return `import { ${imported} } from "../arch/powerpc/arch.js";\n${out}`;
  }
  const patch = `function patch(arch) { ${names.map((name) => `${name}Hook = arch.${name};`).join(" ")} }`;
  const variables = `let ${names.map((name) => `${name}Hook`).join(", ")};\n${patch}\n`;
  return `${variables}${replace(out, "this.vm = vm;", "this.vm = vm; patch(vm.arch);")}`;
}

const rewriteArch = (text: string, link: Link): string =>
  link === "direct"
    ? `${text}\nexport { ${hooks.map((hook) => `${hook} as ${hook}Hook`).join(", ")} };
export const wakeOffsetHook = state.wake.offset, inGuestOffsetHook = state.inGuest.offset;\n`
    : text;

const linking = (link: Link): Plugin => ({
  name: "link",
  setup(build) {
    build.onLoad({ filter: /\.js$/ }, ({ path }) => {
      const name = relative(dist, path).split(sep).join("/");
      const text = readFileSync(path, "utf8").replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href));
      if (name === "src/kvm/vcpu.js") return { contents: rewriteVcpu(text, link) };
      return { contents: name === "src/arch/powerpc/arch.js" ? rewriteArch(text, link) : text };
    });
  },
});

/** Bundles exits-guest.ts; returns the file. */
export async function bundleExits(link: Link, folder: string): Promise<string> {
  const outfile = join(folder, `${link}.mjs`);
  await build({
    entryPoints: [join(dist, "bench/exits-guest.js")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    logLevel: "error",
    plugins: [linking(link)],
  });
  return outfile;
}
