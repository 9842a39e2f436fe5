/** Text that can be sent and hashed: a string of JavaScript may hold half a character (a lone surrogate), UTF-8 may not. */

// String.prototype.isWellFormed is in Node 20, and not among the types that this is checked with.
const LONE_SURROGATE = /\p{Surrogate}/u

export const isWellFormed = (text: string): boolean => !LONE_SURROGATE.test(text)

/** Each half a character becomes U+FFFD, as browsers do it. */
export const toWellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, '\ufffd')
