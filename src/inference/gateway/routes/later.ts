/** Routes of OpenAI's surface, and of ours, that no model here can answer: said clearly, not as an unknown path. */
import { ApiError } from '../api-error.js'
import type { Route } from '../context.js'

const WITHOUT_MODELS = {
  '/v1/chat/completions': 'no model here chats',
  '/v1/completions': 'no model here writes text',
  '/v1/responses': 'no model here writes text',
  '/v1/images/generations': 'no model here makes images',
  '/v1/nlu/parse': 'no model here parses sentences',
} as const

export const later: readonly Route[] = Object.entries(WITHOUT_MODELS).map(([path, reason]) => ({
  method: 'POST',
  path,
  answer: async () => {
    throw new ApiError(`${reason}; GET /v1/models lists what there is`, {
      status: 501,
      code: 'not_implemented',
      type: 'invalid_request_error',
    })
  },
}))
