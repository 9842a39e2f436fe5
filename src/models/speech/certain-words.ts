/**
 * Words of a text that grows at its end, told as soon as they stand: all but the last, which the next sound may still
 * change. What was told, one part after the other, is the text.
 */
export class CertainWords {
  #told = ''

  /** @param text all of it so far. @returns what became certain, with the space before it; empty where nothing did */
  grow(text: string): string {
    return this.#tell(text.slice(0, Math.max(0, text.lastIndexOf(' '))))
  }

  /** @param text the whole. @returns the rest of it; empty where something told before has changed */
  finish(text: string): string {
    return this.#tell(text)
  }

  #tell(certain: string): string {
    const fresh = certain.slice(this.#told.length)
    // Punctuation that is cleaned up may reach back over a space: then only the whole text is right.
    if (!certain.startsWith(this.#told) || (this.#told !== '' && /^\S/.test(fresh))) return ''
    this.#told = certain
    return fresh
  }
}
