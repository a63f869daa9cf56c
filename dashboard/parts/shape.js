// The shapes of states and notices. Each can be told from the others without colour.
import { html } from "../html.js";

const PATHS = {
  open: html`<circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="2" />`,
  half: html`<circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="2" />
    <path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" />`,
  check: html`<circle cx="10" cy="10" r="8" fill="currentColor" />
    <path d="M6.2 10.3l2.6 2.6 5-5.4" fill="none" stroke="var(--surface)" stroke-width="2" />`,
  cross: html`<rect x="2.5" y="2.5" width="15" height="15" rx="3" fill="currentColor" />
    <path d="M7 7l6 6M13 7l-6 6" stroke="var(--surface)" stroke-width="2" />`,
  dash: html`<circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="2" />
    <path d="M5.2 14.8l9.6-9.6" stroke="currentColor" stroke-width="2" />`,
  bars: html`<path d="M6.5 4v12M13.5 4v12" stroke="currentColor" stroke-width="3" />`,
  warn: html`<path d="M10 2.5l8.2 14.6H1.8z" fill="currentColor" />
    <path d="M10 7.5v4.6M10 13.4v1.9" stroke="var(--surface)" stroke-width="2" />`,
  moon: html`<path d="M13 15.6A7.6 7.6 0 0 1 6.6 3.4a7.8 7.8 0 1 0 10.2 10 7.6 7.6 0 0 1-3.8 2.2z"
    fill="currentColor" />`,
};

export function Shape({ name }) {
  return html`<svg viewBox="0 0 20 20" aria-hidden="true" focusable="false">${PATHS[name]}</svg>`;
}
