/** Answers of a pure function that are asked for again and again. */

/** The newest `most` answers are remembered; what `work` throws is not. */
export function remembering<T>(most: number, work: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>()
  return (key) => {
    const before = known.get(key)
    if (before !== undefined) return before
    const answer = work(key)
    known.set(key, answer)
    const [oldest] = known.keys()
    if (known.size > most && oldest !== undefined) known.delete(oldest)
    return answer
  }
}
