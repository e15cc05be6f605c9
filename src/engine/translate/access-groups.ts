/**
 * Accesses of a block that are checked together: those off one register while it keeps its value. One look at the soft TLB
 * then serves all of them; if it fails, the block is left where the first stands. Where that is seen to happen again and again,
 * the region that is made behind it checks each access by itself (region-maker.ts).
 */
import type { Template } from "./template.js";

export interface AccessGroup {
  readonly register: number;
  /** Displacements of the first byte and of what is behind the last. */
  low: number;
  high: number;
  loads: boolean;
  stores: boolean;
  /** Position in the block of its last access. */
  last: number;
  count: number;
  /** Local that holds the host address of `low`, once it has been checked. */
  local: number | undefined;
}

/**
 * Which part of a page a group may span: a check must seldom fail for the wrong reason. A function whose frame lies over the end of a
 * page leaves its region each time; half a page was one call of perl's in twenty, and the smaller groups cost nothing.
 */
const part = 32;

/** The group of each instruction of a block, in pages of so many bytes; undefined where an access stands by itself. */
export function accessGroups(
  templates: readonly Pick<Template<unknown>, "plain" | "writes">[],
  pageSize: number,
): readonly (AccessGroup | undefined)[] {
  const open = new Map<number, AccessGroup>();
  const groups = templates.map(({ plain, writes }, i) => {
    let group: AccessGroup | undefined;
    if (plain) {
      const { register, displacement, size, stores } = plain;
      const low = displacement;
      const high = displacement + size;
      group = open.get(register);
      if (group && Math.max(group.high, high) - Math.min(group.low, low) <= pageSize / part) {
        group.low = Math.min(group.low, low);
        group.high = Math.max(group.high, high);
        group.loads ||= !stores;
        group.stores ||= stores;
        group.last = i;
        group.count++;
      } else {
        group = { register, low, high, loads: !stores, stores, last: i, count: 1, local: undefined };
        open.set(register, group);
      }
    }
    for (const register of writes) open.delete(register);
    return group;
  });
  return groups.map((group) => (group && group.count > 1 ? group : undefined));
}
