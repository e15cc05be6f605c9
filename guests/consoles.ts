/** What a guest's kernel calls the console of its machine. Apart, for pages that boot a kernel of their own. */

/** What a guest's programs are of, as uname(1) calls it where one name will do. */
export type GuestArchitecture = "ppc64le" | "x86_64" | "i386";

export const consoles: Readonly<Record<GuestArchitecture, string>> = {
  ppc64le: "hvc0",
  x86_64: "ttyS0",
  i386: "ttyS0",
};
