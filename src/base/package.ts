/** Which package this is: several versions may be loaded in one process, and messages must say which is meant. */

export interface Package {
  readonly version: string;
  /** Where its code was loaded from. */
  readonly url: string;
}

/** The folder that holds all compiled code, whatever the files are bundled into. */
export const thisPackage: Package = { version: "0.1.0", url: new URL("..", import.meta.url).href };

export const describePackage = ({ version, url }: Package): string => `unikvm ${version} (${url})`;
