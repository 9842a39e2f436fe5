/**
 * Tokens that are cut out of a text before the tokenizer proper sees it: special tokens, and vocabulary entries
 * of several characters. The earliest match wins, of equal starts the longest, as in the reference's trie.
 */

export interface AddedToken {
  readonly content: string
  /** Swallow white space on the left / right of the token. */
  readonly stripLeft?: boolean
  readonly stripRight?: boolean
}

export interface TextPart {
  readonly text: string
  readonly isToken: boolean
}

export class AddedTokenSplitter {
  readonly #tokens: readonly AddedToken[]

  /** @param tokens of equal content the first counts; empty ones are ignored */
  constructor(tokens: Iterable<AddedToken>) {
    const unique = new Map<string, AddedToken>()
    for (const token of tokens)
      if (token.content !== '' && !unique.has(token.content)) unique.set(token.content, token)
    this.#tokens = [...unique.values()].toSorted((a, b) => b.content.length - a.content.length)
  }

  /** The text in parts, in order; empty parts are left out. */
  split(text: string): readonly TextPart[] {
    const parts: TextPart[] = []
    let rest = 0
    let stripNext = false
    const plain = (from: number, to: number, stripRightEnd: boolean): void => {
      let piece = text.slice(from, to)
      if (stripNext) piece = piece.trimStart()
      if (stripRightEnd) piece = piece.trimEnd()
      if (piece !== '') parts.push({ text: piece, isToken: false })
    }
    for (let at = 0; at < text.length; ) {
      const token = this.#tokens.find(({ content }) => text.startsWith(content, at))
      if (token === undefined) {
        at++
        continue
      }
      plain(rest, at, token.stripLeft === true)
      parts.push({ text: token.content, isToken: true })
      at += token.content.length
      rest = at
      stripNext = token.stripRight === true
    }
    plain(rest, text.length, false)
    return parts
  }
}
