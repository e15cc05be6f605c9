/** "deflate" for files that go elsewhere, "stored" for a cache: twice as quick, and four times as large. */
export const packings = ["deflate", "stored"] as const;
/** How blocks lie in the file. */
export type Packing = (typeof packings)[number];
