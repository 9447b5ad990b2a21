(class_definition name: (identifier) @name.class) @definition.class
(function_definition name: (identifier) @name.function) @definition.function
(decorated_definition) @outer
(type_alias_statement left: (type (identifier) @name.type)) @definition.type
(assignment left: (identifier) @name.constant) @definition.constant
(assignment left: (pattern_list (identifier) @name.constant)) @definition.constant
(assignment left: (attribute attribute: (identifier) @name.member)) @definition.member

(parameters (identifier) @local)
(lambda_parameters (identifier) @local)
(default_parameter name: (identifier) @local)
(typed_parameter . (identifier) @local)
(typed_default_parameter name: (identifier) @local)
(list_splat_pattern (identifier) @local)
(dictionary_splat_pattern (identifier) @local)
(for_statement left: (identifier) @local)
(for_statement left: (pattern_list (identifier) @local))
(for_in_clause left: (identifier) @local)
(for_in_clause left: (pattern_list (identifier) @local))
(as_pattern_target (identifier) @local)
(named_expression name: (identifier) @local)

[(import_statement) (import_from_statement)] @import

(identifier) @reference
