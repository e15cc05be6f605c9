/** Options' values of several parts. */

/** The parts between commas; two commas stand for one within a part. */
export const propertiesOf = (text: string): string[] =>
  text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(",,", ","));
