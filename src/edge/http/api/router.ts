import { Router } from 'express';
export function apiRouter(): Router { return Router(); }
