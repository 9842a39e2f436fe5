/** The languages that are told apart, in the order of the output. */
export const LANGUAGES = ['en', 'fr', 'es', 'it', 'ru'] as const
export type Language = (typeof LANGUAGES)[number]
