/// <reference types="vitest/config" />
import { defineConfig } from 'vite'
import { mockApi } from './dev/mock.ts'

// The policy that CloudFront sends, so that `vite preview` refuses here what it would refuse there.
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export default defineConfig({
  root: import.meta.dirname,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  plugins: [mockApi()],
  build: { target: 'es2022', assetsInlineLimit: 0, emptyOutDir: true },
  preview: { headers: { 'Content-Security-Policy': policy } },
  test: { include: ['tests/**/*.test.ts'] },
})
