/** What a newer JavaScript engine would give a user of an old one: the figures of docs/engine-steps.md, "Where it stands". */

/** Measured on both; `hv`'s time on the newer as part of its time on the older. */
export const measured = { older: 20, newer: 26, programs: 0.8, boot: 0.89, megabytes: 68 } as const;

/** The first major version that is as quick as the newer of the two, as far as is known. */
const quick = 24;

/** A sentence for who has Node.js `version`; undefined: it is a new one, or none that can be told. */
export function newerEngine(version: string): string | undefined {
  const major = Number.parseInt(version, 10);
  if (!(major < quick)) return undefined;
  const { older, newer, programs, boot, megabytes } = measured;
  return (
    `hv takes ${programs} of Node.js ${older}'s time for Debian's programs with Node.js ${newer}, ${boot} for a boot, and ` +
    `${megabytes} MB less; from ${quick} on it is about as quick. npm's package node brings it`
  );
}
