/** An architecture's call that gives a handle: what names the handle, and how to get it from where the VM has gone. */
export interface PartMethod {
  readonly key: (handle: never) => string;
  readonly reopen: (vm: never, handle: never) => object;
}
