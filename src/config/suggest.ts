/** The known name that somebody probably meant. */

/** Names longer than this are nobody's typing mistake, and the distance is quadratic. */
const MAX_LENGTH = 80

/** Levenshtein distance of two short texts. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitute, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/**
 * The candidate nearest to `text`, case aside, or undefined where none is near: at most a third of the letters
 * differ, or one begins with the other (`uplink` for `uplinkMbps`: a forgotten unit).
 */
export function nearest(text: string, candidates: readonly string[]): string | undefined {
  if (text.length > MAX_LENGTH) return undefined
  const wanted = text.toLowerCase()
  let best: { readonly candidate: string; readonly distance: number } | undefined
  for (const candidate of candidates) {
    const known = candidate.toLowerCase()
    const isPrefix = wanted.length >= 4 && (known.startsWith(wanted) || wanted.startsWith(known))
    const distance = isPrefix ? 1 : editDistance(wanted, known)
    if (best === undefined || distance < best.distance) best = { candidate, distance }
  }
  return best !== undefined && best.distance <= Math.max(1, Math.floor(text.length / 3))
    ? best.candidate
    : undefined
}
