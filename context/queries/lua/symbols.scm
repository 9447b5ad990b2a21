(function_declaration name: (identifier) @name.function) @definition.function
(function_declaration name: (dot_index_expression table: (_) @receiver field: (identifier) @name.function)) @definition.function
(function_declaration name: (method_index_expression table: (_) @receiver method: (identifier) @name.function)) @definition.function
(assignment_statement
  (variable_list . name: (dot_index_expression table: (_) @receiver field: (identifier) @name.function))
  (expression_list . value: (function_definition))) @definition.function
(assignment_statement
  (variable_list . name: (identifier) @name.function)
  (expression_list . value: (function_definition))) @definition.function
(assignment_statement (variable_list name: (identifier) @name.constant)) @definition.constant
(function_definition) @definition.lambda

(parameters name: (identifier) @local)
(for_generic_clause (variable_list name: (identifier) @local))
(for_numeric_clause name: (identifier) @local)

(variable_declaration (assignment_statement (expression_list value: (function_call
  name: (identifier) @_require arguments: (arguments . (string))))) (#eq? @_require "require")) @import

(identifier) @reference
