/** Speech of any length: windows, voice activity, streams, subtitles. */
export * from './chunks.js'
export * from './subtitles.js'
export * from './utterances.js'
export * from './voice-activity.js'
export * from './voice-segments.js'
