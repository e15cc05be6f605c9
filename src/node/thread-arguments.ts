/**
 * Node's own arguments for a thread of ours: this process's, but for what says how the program on its command line is to be
 * read, at which Node refuses a thread that has a file.
 */
export const threadArguments = (given: readonly string[] = process.execArgv): string[] =>
  given.filter((argument, index) => {
    const isValue = given[index - 1] === "--input-type";
    return !isValue && argument !== "--input-type" && !argument.startsWith("--input-type=");
  });
