/** Name of the template database that has the migrations applied. */
export const TEMPLATE_DATABASE = 'anamnesis_template';
