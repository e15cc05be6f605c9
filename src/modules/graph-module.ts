/** A module as the resolver of graph.ts is told of it. */
export interface GraphExport {
  readonly name: string;
  readonly namespace?: string;
  readonly gplOnly: boolean;
  readonly crc?: number;
  /**
   * A string among the names of exports that none of them is: a namespace. depmod takes it for a symbol where a module
   * has nothing but these strings to go by.
   */
  readonly textOnly?: boolean;
}

/** A module as the resolver sees it. */
export interface GraphModule {
  /** As in lsmod: underscores, no ending. Unique in a tree. */
  readonly name: string;
  /** As modules.dep names it: relative to the tree, or absolute. */
  readonly path: string;
  readonly exports: readonly GraphExport[];
  /** The symbols it needs, each in the order of its first mention: the order decides among equals in modules.dep. */
  readonly imports: readonly string[];
  /** Those of the imports that may stay undefined. */
  readonly weakImports?: ReadonlySet<string>;
  /** The checksum that an import was compiled against. */
  readonly importCrcs?: ReadonlyMap<string, number>;
  /** Whom the kernel's build found it to need; their names. */
  readonly depends?: readonly string[];
  /** What decides which exports it may use; undefined: not known, and no obstacle. */
  readonly license?: string;
  readonly importNamespaces?: readonly string[];
  /** Values of `.modinfo`'s fields, in their order. */
  readonly aliases: readonly string[];
  readonly softdeps: readonly string[];
  readonly weakdeps?: readonly string[];
}
