/** What a guest's kernel calls the console of its machine. Apart, for pages that boot a kernel of their own. */

/** What a guest's programs are of, as uname(1) calls it where one name will do. */
export type GuestArchitecture = "ppc64le" | "x86_64" | "i386";

/**
 * More for the command line of a kernel in a VM that runs commands. x86's machine is not told of a panic, after which its kernel
 * would stand still for ever: it is to start again at once, which ends a VM.
 */
export const quietly: Readonly<Record<GuestArchitecture, string>> = {
  ppc64le: "quiet",
  x86_64: "quiet panic=-1",
  i386: "quiet panic=-1",
};

export const consoles: Readonly<Record<GuestArchitecture, string>> = {
  ppc64le: "hvc0",
  x86_64: "ttyS0",
  i386: "ttyS0",
};
